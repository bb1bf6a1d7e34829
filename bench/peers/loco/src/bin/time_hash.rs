//! Prints the processor time of one verification of a password in milliseconds, by the library's own code.

use loco_rs::hash::{hash_password, verify_password};

const PASSWORD: &str = "correct horse battery staple";
const ROUNDS: u32 = 10;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let hash = hash_password(PASSWORD)?;
    let before = processor_nanoseconds()?;
    for _ in 0..ROUNDS {
        if !verify_password(PASSWORD, &hash) {
            return Err("the hash does not fit its own password".into());
        }
    }
    println!("{}", (processor_nanoseconds()? - before) / 1e6 / f64::from(ROUNDS));
    Ok(())
}

/// The processor time of this process, which has one thread.
fn processor_nanoseconds() -> Result<f64, Box<dyn std::error::Error>> {
    let text = std::fs::read_to_string("/proc/self/schedstat")?;
    let first = text.split_whitespace().next().ok_or("/proc/self/schedstat is empty")?;
    Ok(first.parse()?)
}
