mod address;
mod pair;
mod pool;
