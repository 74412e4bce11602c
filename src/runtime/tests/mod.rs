mod buffer;
mod pipe;
mod tasks;
mod timer;
mod unpark;
