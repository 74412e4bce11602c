mod picker;
mod policy;
