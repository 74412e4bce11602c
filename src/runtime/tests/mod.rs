mod buffer;
mod timer;
mod unpark;
