use socketioxide_session::{http_handler, socket_handler};

#[http_handler]
async unsafe fn login() {}

#[socket_handler]
const fn logout() {}

#[socket_handler]
extern "C" fn quit() {}

fn main() {}
