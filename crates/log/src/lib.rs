//! The log for machines: one JSON object a line, in the shape that `tracing-subscriber` gives it. Both
//! halves are given to [`tracing_subscriber::fmt::layer`]: `fmt_fields` and `event_format`.
//!
//! The library keeps the fields of a span as a text, and for each event in the span reads that text into a
//! tree, to write it out again; that is a good part of what a request costs. Here they are kept in the form
//! in which they are written.

use std::{error::Error, fmt};

use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
    span::Record,
};
use tracing_subscriber::{
    field::RecordFields,
    fmt::{
        FmtContext, FormatEvent, FormatFields, FormattedFields,
        format::Writer,
        time::{FormatTime, SystemTime},
    },
    registry::LookupSpan,
};

/// Writes the line of an event: time, level, its fields, where it is from, and the innermost span.
#[derive(Debug, Clone, Copy, Default)]
pub struct JsonLine;

/// Writes fields as members of an object, without its braces.
#[derive(Debug, Clone, Copy, Default)]
pub struct JsonMembers;

impl<S> FormatEvent<S, JsonMembers> for JsonLine
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, JsonMembers>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let metadata = event.metadata();
        writer.write_str("{\"timestamp\":\"")?;
        SystemTime.format_time(&mut writer)?;
        write!(writer, "\",\"level\":\"{}\",", metadata.level())?;
        let mut members = Members::new(writer.by_ref());
        event.record(&mut members);
        let has_members = members.end()?;
        writer.write_str(if has_members { ",\"target\":" } else { "\"target\":" })?;
        text(&mut writer, metadata.target())?;
        if let Some(span) = context.lookup_current() {
            writer.write_str(",\"span\":{")?;
            let extensions = span.extensions();
            let fields = extensions.get::<FormattedFields<JsonMembers>>();
            if let Some(fields) = fields.filter(|fields| !fields.is_empty()) {
                writer.write_str(fields)?;
                writer.write_char(',')?;
            }
            writer.write_str("\"name\":")?;
            text(&mut writer, span.name())?;
            writer.write_char('}')?;
        }
        writer.write_str("}\n")
    }
}

impl<'writer> FormatFields<'writer> for JsonMembers {
    fn format_fields<R: RecordFields>(&self, writer: Writer<'writer>, fields: R) -> fmt::Result {
        let mut members = Members::new(writer);
        fields.record(&mut members);
        members.end().map(|_| ())
    }

    fn add_fields(
        &self,
        current: &'writer mut FormattedFields<Self>,
        fields: &Record<'_>,
    ) -> fmt::Result {
        if !current.is_empty() {
            current.as_writer().write_char(',')?;
        }
        self.format_fields(current.as_writer(), fields)
    }
}

struct Members<'writer> {
    writer: Writer<'writer>,
    is_first: bool,
    result: fmt::Result,
}

impl<'writer> Members<'writer> {
    const fn new(writer: Writer<'writer>) -> Self {
        Self { writer, is_first: true, result: Ok(()) }
    }

    /// Whether there were any.
    fn end(self) -> Result<bool, fmt::Error> {
        self.result.map(|()| !self.is_first)
    }

    fn member(&mut self, field: &Field, value: impl FnOnce(&mut Writer<'_>) -> fmt::Result) {
        if self.result.is_err() {
            return;
        }
        let separator = if std::mem::take(&mut self.is_first) { "" } else { "," };
        self.result = self.writer.write_str(separator).and_then(|()| {
            text(&mut self.writer, field.name().trim_start_matches("r#"))?;
            self.writer.write_char(':')?;
            value(&mut self.writer)
        });
    }
}

impl Visit for Members<'_> {
    fn record_f64(&mut self, field: &Field, value: f64) {
        // JSON has no infinities.
        self.member(field, |writer| {
            if value.is_finite() { write!(writer, "{value:?}") } else { writer.write_str("null") }
        });
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.member(field, |writer| write!(writer, "{value}"));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.member(field, |writer| write!(writer, "{value}"));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.member(field, |writer| write!(writer, "{value}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.member(field, |writer| text(writer, value));
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        self.member(field, |writer| text(writer, &value.to_string()));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.member(field, |writer| text(writer, &format!("{value:?}")));
    }
}

/// Writes a text in quotation marks (RFC 8259 §7).
fn text(writer: &mut Writer<'_>, text: &str) -> fmt::Result {
    writer.write_char('"')?;
    let mut plain_from = 0;
    for (index, octet) in text.bytes().enumerate() {
        if octet >= b' ' && octet != b'"' && octet != b'\\' {
            continue;
        }
        writer.write_str(&text[plain_from..index])?;
        match octet {
            b'"' => writer.write_str("\\\"")?,
            b'\\' => writer.write_str("\\\\")?,
            b'\n' => writer.write_str("\\n")?,
            b'\r' => writer.write_str("\\r")?,
            b'\t' => writer.write_str("\\t")?,
            _ => write!(writer, "\\u{octet:04x}")?,
        }
        plain_from = index + 1;
    }
    writer.write_str(&text[plain_from..])?;
    writer.write_char('"')
}

#[cfg(test)]
mod tests {
    use std::{
        io,
        sync::{Arc, Mutex},
    };

    use serde_json::Value;
    use tracing_subscriber::{fmt, layer::SubscriberExt};

    use super::*;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Written {
        fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(octets)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Written {
        /// The lines as values, without the time, which is another one for each writer.
        fn lines(&self) -> Vec<Value> {
            let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
            let line = |line: &str| {
                let mut value: Value = serde_json::from_str(line).expect("a line is JSON");
                let time = value.as_object_mut().unwrap().remove("timestamp").unwrap();
                let format = &time::format_description::well_known::Rfc3339;
                time::OffsetDateTime::parse(time.as_str().unwrap(), format).expect("a time");
                value
            };
            text.lines().map(line).collect()
        }
    }

    fn everything_that_is_logged() {
        tracing::info!("outside of any span");
        tracing::warn!(
            empty = "",
            "quotes \" backslash \\ tab \t line\nreturn\r bell \u{7} Ünïcödé 🦀"
        );
        let cause = io::Error::other("the \"cause\"");
        tracing::error!(error = &cause as &dyn Error, code = None::<&str>, "with an error");
        let span = tracing::info_span!(
            "request",
            method = %"GET",
            route = "/a/{id}",
            later = tracing::field::Empty
        );
        let _entered = span.enter();
        tracing::info!(status = 200_u16, latency_ms = 0.25_f64, whole = 3.0_f64, "request");
        span.record("later", "it \"came\"");
        tracing::info!(huge = u64::MAX, low = i64::MIN, yes = true, list = ?[1, 2], r#type = "x", "after");
        tracing::info!(infinite = f64::INFINITY, none = f64::NAN);
        let _inner = tracing::info_span!("bare").entered();
        tracing::info!(target: "else\"where", "in the inner span");
    }

    #[test]
    fn each_line_says_what_the_librarys_own_form_says() {
        let (ours, theirs) = (Written::default(), Written::default());
        let (our_writer, their_writer) = (ours.clone(), theirs.clone());
        let our_layer = fmt::layer()
            .fmt_fields(JsonMembers)
            .event_format(JsonLine)
            .with_writer(move || our_writer.clone());
        let their_layer = fmt::layer()
            .json()
            .flatten_event(true)
            .with_current_span(true)
            .with_span_list(false)
            .with_writer(move || their_writer.clone());
        let subscriber = tracing_subscriber::registry().with(our_layer).with(their_layer);
        tracing::subscriber::with_default(subscriber, everything_that_is_logged);
        assert_eq!(ours.lines().len(), 7);
        assert_eq!(ours.lines(), theirs.lines());
    }
}
