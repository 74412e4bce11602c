mod buffer;
mod tasks;
mod timer;
mod unpark;
