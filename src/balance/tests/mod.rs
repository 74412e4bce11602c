mod hash;
mod picker;
mod policy;
