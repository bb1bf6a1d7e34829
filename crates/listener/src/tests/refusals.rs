//! What is not a request gets a problem that its sender can read.

use tokio::io::AsyncWriteExt;

use super::{Limits, start};

#[tokio::test]
async fn garbage_is_refused() {
    let server = start(Limits::default()).await;
    for garbage in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"[..],
        b"GET / HTTP/1.1\r\nHost : test\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: test\r\nno colon\r\n\r\n",
        b"GET / HTTP/3.7\r\nHost: test\r\n\r\n",
        b"GET  /two-spaces HTTP/1.1\r\nHost: test\r\n\r\n",
        b"POST /length HTTP/1.1\r\nHost: test\r\nContent-Length: x\r\n\r\n",
        b"POST /length HTTP/1.1\r\nHost: test\r\nContent-Length: -1\r\n\r\n",
        b"POST /length HTTP/1.1\r\nHost: test\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    ] {
        let mut client = server.client().await;
        client.send(garbage).await;
        client.answer().await.assert_refusal(400);
        client.assert_closed().await;
    }
}

#[tokio::test]
async fn requests_that_could_be_framed_in_two_ways_are_refused() {
    let server = start(Limits::default()).await;
    for fields in [
        "Host: test\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n",
        "Host: test\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n",
        "Host: test\r\nTransfer-Encoding: gzip, chunked\r\n",
        "Host: test\nContent-Length: 4\n",
        "Content-Length: 4\r\n",
    ] {
        let mut client = server.client().await;
        let smuggled = "0\r\n\r\nGET /peer HTTP/1.1\r\nHost: test\r\n\r\n";
        client.send(format!("POST /length HTTP/1.1\r\n{fields}\r\n{smuggled}")).await;
        client.answer().await.assert_refusal(400);
        client.assert_closed().await;
    }
}

#[tokio::test]
async fn nothing_hides_behind_a_chunked_body() {
    let server = start(Limits::default()).await;
    let mut client = server.client().await;
    client
        .send(
            "POST /length HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n\
         3\r\nabc\r\n0\r\n\r\nGET / HTTP/1.1\r\nHost: test\r\n\r\n",
        )
        .await;
    let answer = client.answer().await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "3"));
    assert_eq!(answer.field("connection"), Some("close"));
    client.assert_closed().await;
}

#[tokio::test]
async fn a_huge_head_is_refused_after_the_client_has_sent_all_of_it() {
    let server = start(Limits::default()).await;
    let mut client = server.client().await;
    // More than the buffers of both sockets hold, so that it is only sent if the server reads on.
    let filler = "x".repeat(16 * 1024 * 1024);
    client.send(format!("GET / HTTP/1.1\r\nHost: test\r\nX-Filler: {filler}\r\n\r\n")).await;
    client.answer().await.assert_refusal(431);
    client.assert_closed().await;

    let mut client = server.client().await;
    let fields = "A: b\r\n".repeat(101);
    client.send(format!("GET / HTTP/1.1\r\nHost: test\r\n{fields}\r\n")).await;
    client.answer().await.assert_refusal(431);

    let mut client = server.client().await;
    client.send(format!("GET /{filler} HTTP/1.1\r\nHost: test\r\n\r\n")).await;
    client.answer().await.assert_refusal(414);
}

#[tokio::test]
async fn an_early_answer_is_readable_after_a_body_nobody_wanted() {
    let server = start(Limits::default()).await;
    let mut client = server.client().await;
    let body = vec![b'x'; 10 * 1024 * 1024];
    let length = body.len();
    client
        .send(format!("POST /ignore HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n"))
        .await;
    client.send(body).await;
    let answer = client.answer().await;
    assert_eq!(answer.status, 413);
    assert_eq!(answer.field("connection"), Some("close"));
    client.assert_closed().await;
}

#[tokio::test]
async fn another_protocol_is_told_so() {
    let server = start(Limits::default()).await;
    let mut client = server.client().await;
    client.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
    client.answer().await.assert_refusal(505);
    client.assert_closed().await;
}

#[tokio::test]
async fn a_head_that_ends_early_is_refused() {
    let server = start(Limits::default()).await;
    let mut client = server.client().await;
    client.send("GET / HTTP/1.1\r\nHo").await;
    client.stream.shutdown().await.unwrap();
    client.answer().await.assert_refusal(400);
    client.assert_closed().await;
}

#[tokio::test]
async fn an_ambiguous_request_is_refused_though_its_sender_has_ended() {
    let server = start(Limits::default()).await;
    let mut client = server.client().await;
    // Connected, but not served yet: the server sees the request and its end at the same time.
    let request = "GET / HTTP/1.1\nHost: test\n\n";
    assert_eq!(client.stream.try_write(request.as_bytes()).unwrap(), request.len());
    client.stream.shutdown().await.unwrap();
    client.answer().await.assert_refusal(400);
    client.assert_closed().await;
}

#[tokio::test]
async fn garbage_after_a_good_request_leaves_the_good_answer() {
    let server = start(Limits::default()).await;
    let mut client = server.client().await;
    client.send("GET / HTTP/1.1\r\nHost: test\r\n\r\n\0\0\0\0\r\n\r\n").await;
    assert_eq!(client.answer().await.body, "hello");
    client.answer().await.assert_refusal(400);
    client.assert_closed().await;
}
