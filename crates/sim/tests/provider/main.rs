//! The scripted provider, seen from the other end of a socket.

mod books;
mod faults;
mod shapes;
mod support;
