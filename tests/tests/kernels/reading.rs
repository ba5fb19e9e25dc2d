//! Reading without waiting, as a page in a browser has to.

use kernels::Fill;
use pollster::block_on;
use runtime::{Device, DeviceOptions};
use tests::harness::on_each_device;

#[test]
fn what_is_read_is_what_was_there_at_the_call() {
    on_each_device(|bench| {
        for len in [1, 67, 4096] {
            let x = bench.output(len);
            let mut readings = Vec::new();
            for value in [1.0, 2.0, 3.0] {
                Fill { out: &x, value }.launch(&mut bench.stream).unwrap();
                readings.push(bench.stream.read_async::<f32>(&x).unwrap());
            }
            Fill { out: &x, value: 4.0 }.launch(&mut bench.stream).unwrap();
            // One that nobody waits for does no harm, nor does another order.
            drop(readings.remove(1));
            let [first, third] = readings.try_into().unwrap_or_else(|_| panic!("two are left"));
            assert_eq!(block_on(third).unwrap(), vec![3.0; len]);
            assert_eq!(block_on(first).unwrap(), vec![1.0; len]);
            assert_eq!(bench.stream.read::<f32>(&x).unwrap(), vec![4.0; len]);
        }
    });
}

#[test]
fn a_reading_outlives_its_stream() {
    on_each_device(|bench| {
        let device = bench.stream.device().clone();
        let options = match device.adapter() {
            Some(info) => DeviceOptions::adapter(info.name.clone()),
            None => DeviceOptions::cpu(),
        };
        let reading = {
            let mut stream = block_on(Device::open_async(&options)).unwrap().stream().unwrap();
            let x = stream.upload(&[1.5f32, -2.0, 0.0]).unwrap();
            stream.read_async::<f32>(&x).unwrap()
        };
        assert_eq!(block_on(reading).unwrap(), [1.5, -2.0, 0.0]);
    });
}
