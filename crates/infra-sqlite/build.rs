//! Has the migrations embedded anew when one is added, which the compiler would not notice by itself.

fn main() {
    println!("cargo:rerun-if-changed=../../migrations/sqlite");
}
