use std::env;
use std::io::{Read, Result, Write};
use std::net::{TcpListener, TcpStream};

const VERSION: &str = "v1";

fn main() -> Result<()> {
    let port = env::var("PORT").unwrap_or("8080".into());
    let listener = TcpListener::bind(format!("0.0.0.0:{port}"))?;
    for stream in listener.incoming() {
        let _ = answer(stream?);
    }
    Ok(())
}

fn answer(mut stream: TcpStream) -> Result<()> {
    let mut buffer = [0; 4096];
    let n = stream.read(&mut buffer)?;
    let mut headers = [httparse::EMPTY_HEADER; 32];
    let mut request = httparse::Request::new(&mut headers);
    let _ = request.parse(&buffer[..n]);
    let body = match request.path {
        Some("/version") => format!("{VERSION}\n"),
        _ => "hello from rust\n".to_string(),
    };
    write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{}", body.len(), body)
}
