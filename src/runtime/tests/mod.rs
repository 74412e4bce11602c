mod buffer;
mod pipe;
mod tasks;
mod timer;
mod trim;
mod unpark;
mod worker;
