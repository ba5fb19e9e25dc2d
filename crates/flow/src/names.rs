//! Options that go by a name.

/// That of `all` which has this name; `what` it is, for who reads the message.
pub(crate) fn named<T: Copy>(text: &str, all: &[T], what: &str, name: fn(T) -> &'static str) -> Result<T, String> {
    all.iter().copied().find(|one| name(*one) == text).ok_or_else(|| {
        let names: Vec<_> = all.iter().map(|one| name(*one)).collect();
        format!("`{text}` is no {what}; choose one of {}", names.join(", "))
    })
}
