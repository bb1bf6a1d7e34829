use std::fmt::Write;

use super::Code;

/// The page that explains every kind of problem; the `type` of a problem leads to its paragraph.
pub(crate) fn page() -> String {
    let mut page = String::from(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>Doorward: problems</title>\n\
         <link rel=\"stylesheet\" href=\"/docs/assets/page.css\">\n\
         <main>\n<h1>Problems</h1>\n\
         <p>Every error is an RFC 9457 problem. Switch on its <code>code</code>; show people its \
         <code>detail</code>; report its <code>request_id</code>. Back to the <a href=\"/docs\">API</a>.</p>\n",
    );
    for code in Code::ALL {
        // Writing to a string cannot fail.
        let _ = writeln!(
            page,
            "<section id=\"{code}\"><h2><code>{code}</code> <small>{status}</small></h2>\
             <p><strong>{title}.</strong> {explanation}</p></section>",
            code = code.as_str(),
            status = code.status(),
            title = code.title(),
            explanation = code.explanation(),
        );
    }
    page.push_str("</main>\n</html>\n");
    page
}
