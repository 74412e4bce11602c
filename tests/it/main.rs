//! Through the public interface.

mod context_go;
