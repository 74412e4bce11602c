mod tree;
mod view;
