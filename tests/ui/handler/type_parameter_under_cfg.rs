use socketioxide_session::http_handler;

#[http_handler]
async fn hello<#[cfg(unix)] T: Send + Sync + 'static>() {}

fn main() {}
