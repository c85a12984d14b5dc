//! The program's entry: everything it does begins in `cli`.

fn main() {}
