mod address;
mod names;
mod pair;
mod pool;
