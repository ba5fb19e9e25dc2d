//! An array as NumPy stores it: a header of one Python dictionary, then the elements.
//!
//! The crates that read this parse all of Python's literals, with parsers that need a C compiler to build; the format
//! says that the dictionary has three keys and what their values look like, and that is all that is read here.

use std::io::{self, ErrorKind, Read};

use crate::error::LIMIT;

/// The longest header; NumPy itself stops at 10000 bytes.
const LONGEST_HEADER: usize = 1 << 16;

/// What the elements are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Unsigned,
    Signed,
    Float,
    Boolean,
}

/// An array of numbers.
pub(crate) struct Array {
    /// In row-major order, the last one fastest.
    pub shape: Vec<usize>,
    pub kind: Kind,
    /// NumPy's name of the type, such as `<f4`, for messages.
    pub element: String,
    /// Bytes of an element: 1, 2, 4 or 8.
    size: usize,
    big_endian: bool,
    pub bytes: Vec<u8>,
}

/// Why there is no array.
pub(crate) enum Failure {
    /// The file is damaged: what is wrong.
    Damaged(String),
    /// The array is none that can be used: what is wrong and what to do, after its name.
    Unfit(String),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Damaged(match error.kind() {
            ErrorKind::UnexpectedEof => "it is truncated".into(),
            _ => error.to_string(),
        })
    }
}

impl Array {
    /// Reads an array. Its header is believed as far as its bytes bear it out: memory grows with what is read, and
    /// that is at most one byte more than the header announces.
    pub(crate) fn read(mut reader: impl Read) -> Result<Self, Failure> {
        let header = header(&mut reader)?;
        let (Some(element), Some(order), Some(shape)) =
            (value(&header, "descr"), value(&header, "fortran_order"), value(&header, "shape"))
        else {
            return Err(Failure::Damaged("its header has not the three keys of an array".into()));
        };
        let element = element.trim_matches(['\'', '"']).to_owned();
        let Some((kind, size, big_endian)) = element_type(&element) else {
            let what = format!("has elements of type {element}; save it as uint8, or as float32 from 0 to 1");
            return Err(Failure::Unfit(what));
        };
        let factors = shape.trim_matches(['(', ')']).split(',').map(str::trim).filter(|factor| !factor.is_empty());
        let Ok(shape) = factors.map(str::parse).collect::<Result<Vec<usize>, _>>() else {
            return Err(Failure::Damaged(format!("its header says that its shape is {shape}")));
        };
        let length = shape.iter().try_fold(size, |product, &factor| product.checked_mul(factor));
        let Some(length) = length.filter(|&length| length as u64 <= LIMIT) else {
            let what = format!("announces {shape:?} elements, which are more than can be loaded; save fewer, as uint8");
            return Err(Failure::Unfit(what));
        };
        if order == "True" && shape.len() > 1 {
            return Err(Failure::Unfit("is stored column by column; save numpy.ascontiguousarray of it".into()));
        }
        let mut bytes = Vec::new();
        reader.take(length as u64 + 1).read_to_end(&mut bytes)?;
        if bytes.len() != length {
            return Err(Failure::Damaged(format!("it has not the {length} bytes that its header announces")));
        }
        if length == 0 {
            return Err(Failure::Unfit("is empty; save at least one image and its label".into()));
        }
        Ok(Self { shape, kind, element, size, big_endian, bytes })
    }

    /// The elements as numbers. What an f64 cannot hold exactly is far beyond any pixel and any label.
    pub(crate) fn values(&self) -> impl Iterator<Item = f64> {
        self.bytes.chunks_exact(self.size).map(|bytes| {
            let mut word = [0; 8];
            word[..self.size].copy_from_slice(bytes);
            if self.big_endian {
                word[..self.size].reverse();
            }
            let whole = u64::from_le_bytes(word);
            match (self.kind, self.size) {
                (Kind::Unsigned | Kind::Boolean, _) => whole as f64,
                // The sign is in the highest bit of the element, and is carried down from the highest of the word.
                (Kind::Signed, size) => ((whole << (64 - 8 * size)) as i64 >> (64 - 8 * size)) as f64,
                (Kind::Float, 4) => f64::from(f32::from_bits(whole as u32)),
                (Kind::Float, _) => f64::from_bits(whole),
            }
        })
    }
}

/// The text of the header.
fn header(reader: &mut impl Read) -> Result<String, Failure> {
    let mut start = [0; 8];
    reader.read_exact(&mut start)?;
    if !start.starts_with(b"\x93NUMPY") {
        return Err(Failure::Damaged("it does not begin as arrays of NumPy do".into()));
    }
    let mut length = [0; 4];
    let length_size = if start[6] == 1 { 2 } else { 4 };
    reader.read_exact(&mut length[..length_size])?;
    let length = u32::from_le_bytes(length) as usize;
    if length > LONGEST_HEADER {
        return Err(Failure::Damaged(format!("its header is {length} bytes long")));
    }
    let mut text = vec![0; length];
    reader.read_exact(&mut text)?;
    String::from_utf8(text).map_err(|_| Failure::Damaged("its header is no text".into()))
}

/// The value of a key of the dictionary: up to the comma that ends it, which is none in parentheses or brackets.
fn value<'a>(header: &'a str, key: &str) -> Option<&'a str> {
    let rest = ['\'', '"']
        .iter()
        .find_map(|quote| header.split_once(&format!("{quote}{key}{quote}")))
        .map(|(_, rest)| rest)?;
    let rest = rest.trim_start().strip_prefix(':')?.trim_start();
    let mut depth = 0_i32;
    let end = rest.find(|character| {
        match character {
            '(' | '[' => depth += 1,
            ')' | ']' => depth -= 1,
            _ => {}
        }
        depth == 0 && matches!(character, ',' | '}')
    })?;
    Some(rest[..end].trim_end())
}

/// Kind, size in bytes, and whether the first byte is the highest, of a type such as `<f4`.
fn element_type(name: &str) -> Option<(Kind, usize, bool)> {
    let (order, rest) = name.split_at_checked(1)?;
    let (kind, size) = rest.split_at_checked(1)?;
    let kind = match kind {
        "u" => Kind::Unsigned,
        "i" => Kind::Signed,
        "f" => Kind::Float,
        "b" => Kind::Boolean,
        _ => return None,
    };
    let size = size.parse().ok()?;
    let sizes: &[usize] = match kind {
        Kind::Unsigned | Kind::Signed => &[1, 2, 4, 8],
        Kind::Float => &[4, 8],
        Kind::Boolean => &[1],
    };
    (matches!(order, "<" | ">" | "|") && sizes.contains(&size)).then_some((kind, size, order == ">"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
pub(crate) mod tests {
    use super::*;

    /// An array as NumPy writes it.
    pub(crate) fn npy(element: &str, order: &str, shape: &str, data: &[u8]) -> Vec<u8> {
        let header = format!("{{'descr': '{element}', 'fortran_order': {order}, 'shape': ({shape}), }}\n");
        [b"\x93NUMPY\x01\0".as_slice(), &(header.len() as u16).to_le_bytes(), header.as_bytes(), data].concat()
    }

    fn failure(bytes: &[u8]) -> String {
        match Array::read(bytes) {
            Ok(_) => "none".into(),
            Err(Failure::Damaged(what) | Failure::Unfit(what)) => what,
        }
    }

    #[test]
    fn numbers_of_every_type_are_what_they_were() {
        for (element, bytes, expected) in [
            ("|u1", vec![0, 200], [0.0, 200.0]),
            ("|i1", vec![0x7f, 0xff], [127.0, -1.0]),
            ("|b1", vec![0, 1], [0.0, 1.0]),
            ("<u2", vec![1, 2, 0, 0], [513.0, 0.0]),
            (">u2", vec![1, 2, 0, 0], [258.0, 0.0]),
            ("<i4", [-70_000_i32, 7].map(i32::to_le_bytes).concat(), [-70_000.0, 7.0]),
            (">i8", [-5_i64, 1 << 40].map(i64::to_be_bytes).concat(), [-5.0, (1_i64 << 40) as f64]),
            ("<u8", [u64::MAX, 3].map(u64::to_le_bytes).concat(), [u64::MAX as f64, 3.0]),
            (">f4", [0.25_f32, -1.5].map(f32::to_be_bytes).concat(), [0.25, -1.5]),
            ("<f8", [0.1_f64, f64::INFINITY].map(f64::to_le_bytes).concat(), [0.1, f64::INFINITY]),
        ] {
            let Ok(array) = Array::read(npy(element, "False", "2,", &bytes).as_slice()) else {
                unreachable!("{element} was refused")
            };
            assert_eq!(array.values().collect::<Vec<_>>(), expected, "{element}");
            assert_eq!((array.shape.as_slice(), array.element.as_str()), ([2].as_slice(), element));
        }
    }

    #[test]
    fn headers_may_be_spaced_ordered_and_quoted_as_they_like() {
        for text in [
            "{'shape':(1,2),'fortran_order':False,'descr':'|u1'}",
            "{ \"descr\" : \"|u1\" , \"fortran_order\" : False , \"shape\" : ( 1 , 2 ) }   \n",
        ] {
            for (version, length) in
                [(1, (text.len() as u16).to_le_bytes().to_vec()), (2, (text.len() as u32).to_le_bytes().to_vec())]
            {
                let bytes = [b"\x93NUMPY".as_slice(), &[version, 0], &length, text.as_bytes(), &[8, 9]].concat();
                let Ok(array) = Array::read(bytes.as_slice()) else { unreachable!("{text} was refused") };
                assert_eq!((array.shape, array.bytes), (vec![1, 2], vec![8, 9]));
            }
        }
        // A single number has no dimensions.
        assert!(Array::read(npy("|u1", "False", "", &[1]).as_slice()).is_ok_and(|array| array.shape.is_empty()));
    }

    #[test]
    fn what_is_wrong_is_said() {
        let good = npy("|u1", "False", "2, 2", &[0; 4]);
        assert_eq!(failure(&good), "none");
        for length in [0, 7, 9, 30] {
            assert_eq!(failure(&good[..length]), "it is truncated", "{length}");
        }
        assert!(failure(b"nonsense and more").contains("does not begin"));
        assert!(failure(b"\x93NUMPY\x02\0\xff\xff\xff\xff").contains("4294967295 bytes long"));
        assert!(failure(b"\x93NUMPY\x01\0\x02\0{}").contains("three keys"));
        assert!(failure(&npy("|u1", "False", "2, -1", &[])).contains("its shape is (2, -1)"));
        assert!(failure(&npy("|u1", "False", "2, 2", &[0; 3])).contains("not the 4 bytes"));
        assert!(failure(&npy("|u1", "False", "2, 2", &[0; 5])).contains("not the 4 bytes"));
        assert!(failure(&npy("|u1", "False", "9223372036854775807, 3", &[])).contains("more than can be loaded"));
        assert!(failure(&npy("|u1", "True", "2, 2", &[0; 4])).contains("ascontiguousarray"));
        assert!(failure(&npy("|u1", "False", "0, 2", &[])).contains("is empty"));
        for element in ["<f2", "|O", "<U5", "<c8", "|V4", "<M8[s]", "=u1", "u", ""] {
            assert!(failure(&npy(element, "False", "1", &[0; 8])).contains(&format!("type {element};")), "{element}");
        }
    }
}
