//! The OpenAPI document as the pages read it.

use serde_json::{Map, Value};

/// The methods, in the order in which people read of them.
const METHODS: [&str; 5] = ["post", "get", "put", "patch", "delete"];

pub(crate) struct Document(Value);

/// An operation, with where it is.
#[derive(Clone, Copy)]
pub(crate) struct Operation<'a> {
    pub method: &'a str,
    pub path: &'a str,
    pub is: &'a Value,
    pub document: &'a Document,
}

/// One of the answers of an operation.
pub(crate) struct Answer<'a> {
    pub status: &'a str,
    pub is: &'a Value,
    pub document: &'a Document,
    /// Whether other operations answer with exactly the same.
    pub is_shared: bool,
}

/// A kind of problem, whatever operation answers with it.
#[derive(Clone, Copy)]
pub(crate) struct ProblemType<'a> {
    pub code: &'a str,
    pub status: u64,
    pub title: &'a str,
    pub explanation: &'a str,
}

impl Document {
    pub fn new(document: Value) -> Self {
        Self(document)
    }

    pub fn title(&self) -> &str {
        text(&self.0["info"]["title"])
    }

    pub fn version(&self) -> &str {
        text(&self.0["info"]["version"])
    }

    pub fn guide(&self) -> &str {
        text(&self.0["info"]["description"])
    }

    /// Where the installation is.
    pub fn url(&self) -> &str {
        text(&self.0["servers"][0]["url"])
    }

    /// The names of the tags, and what they stand for.
    pub fn tags(&self) -> impl Iterator<Item = (&str, &str)> {
        let tags = self.0["tags"].as_array().into_iter().flatten();
        tags.map(|tag| (text(&tag["name"]), text(&tag["description"])))
    }

    pub fn schemas(&self) -> impl Iterator<Item = (&str, &Value)> {
        members(&self.0["components"]["schemas"])
    }

    pub fn operations(&self) -> impl Iterator<Item = Operation<'_>> {
        members(&self.0["paths"]).flat_map(move |(path, item)| {
            METHODS.into_iter().filter_map(move |method| {
                Some(Operation { method, path, is: item.get(method)?, document: self })
            })
        })
    }

    pub fn problem_types(&self) -> impl Iterator<Item = ProblemType<'_>> {
        let types = self.0["x-problem-types"].as_array().into_iter().flatten();
        types.map(|it| ProblemType {
            code: text(&it["code"]),
            status: it["status"].as_u64().unwrap_or_default(),
            title: text(&it["title"]),
            explanation: text(&it["explanation"]),
        })
    }

    /// The operations that can answer with a problem.
    pub fn answering(&self, problem: ProblemType) -> Vec<Operation<'_>> {
        let can = |operation: &Operation| {
            let mut problems = operation.answers().flat_map(|answer| answer.problems());
            problems.any(|(it, _)| it.code == problem.code)
        };
        self.operations().filter(can).collect()
    }

    /// The value itself, wherever it is written.
    pub fn resolved<'a>(&'a self, value: &'a Value) -> &'a Value {
        let reference = value["$ref"].as_str().and_then(|reference| reference.strip_prefix('#'));
        reference.and_then(|pointer| self.0.pointer(pointer)).unwrap_or(value)
    }
}

impl<'a> Operation<'a> {
    pub fn id(self) -> &'a str {
        text(&self.is["operationId"])
    }

    /// Without the full stop, as a heading and a link.
    pub fn summary(self) -> &'a str {
        text(&self.is["summary"]).trim_end_matches('.')
    }

    pub fn tag(self) -> &'a str {
        text(&self.is["tags"][0])
    }

    pub fn permission(self) -> Option<&'a str> {
        self.is["x-permission"].as_str()
    }

    pub fn needs_token(self) -> bool {
        self.is["security"].as_array().is_some_and(|schemes| !schemes.is_empty())
    }

    pub fn parameters(self, place: &str) -> impl Iterator<Item = &'a Value> {
        let parameters = self.is["parameters"].as_array().into_iter().flatten();
        parameters.filter(move |parameter| parameter["in"] == place)
    }

    /// The JSON that it reads.
    pub fn body(self) -> Option<&'a Value> {
        self.is["requestBody"]["content"].get("application/json")
    }

    pub fn answers(self) -> impl Iterator<Item = Answer<'a>> {
        members(&self.is["responses"]).map(move |(status, response)| Answer {
            status,
            is: self.document.resolved(response),
            document: self.document,
            is_shared: response.get("$ref").is_some(),
        })
    }
}

impl<'a> Answer<'a> {
    pub fn is_problem(&self) -> bool {
        self.status.starts_with(['4', '5'])
    }

    /// The kinds of problems, with an example of each.
    pub fn problems(&self) -> impl Iterator<Item = (ProblemType<'a>, &'a Value)> + use<'a> {
        let document = self.document;
        let examples = &self.is["content"]["application/problem+json"]["examples"];
        members(examples).filter_map(|(name, example)| {
            let kind = document.problem_types().find(|kind| kind.code == name)?;
            Some((kind, &example["value"]))
        })
    }

    /// The media type and what is said of the body.
    pub fn content(&self) -> Option<(&'a str, &'a Value)> {
        members(&self.is["content"]).next()
    }

    pub fn headers(&self) -> impl Iterator<Item = &'a str> {
        members(&self.is["headers"]).map(|(name, _)| name)
    }
}

/// The members of an object; of anything else, none.
pub(crate) fn members(value: &Value) -> impl Iterator<Item = (&str, &Value)> {
    value.as_object().into_iter().flat_map(Map::iter).map(|(name, value)| (name.as_str(), value))
}

/// The text, empty if there is none.
pub(crate) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
