"use strict";
const part = (id) => document.getElementById(id);
const form = part("form");
const typed = part("typed");
const outcome = part("outcome");
const act = part("act");
const other = part("other");
const show = part("show");

// From now on the token is in this page's memory alone: not in the address bar, not in the history.
const token = new URLSearchParams(location.search).get("token");
if (token) history.replaceState(null, "", location.pathname);

const say = (...lines) => {
  outcome.replaceChildren(...lines.filter(Boolean).map((line) => {
    const paragraph = document.createElement("p");
    paragraph.textContent = line;
    return paragraph;
  }));
};

// Whether the address and the code are asked for, in place of the link's token.
let byCode = false;
const choose = (code) => {
  byCode = code;
  typed.hidden = typed.disabled = !code;
  other.hidden = !token;
  other.textContent = code ? "Use the link instead" : "Type the code from the mail instead";
};
part("no-token").hidden = Boolean(token);
if (typed) choose(!token);
// Without a token and without a code there is nothing to send.
form.hidden = !token && !typed;

if (other) {
  other.addEventListener("click", () => {
    choose(!byCode);
    say();
    if (byCode) typed.querySelector("input").focus();
  });
}

const hidePassword = (hide) => {
  part("new_password").type = hide ? "password" : "text";
  show.textContent = hide ? "Show password" : "Hide password";
};
if (show) show.addEventListener("click", () => hidePassword(part("new_password").type === "text"));

const written = () => {
  const fields = Object.fromEntries(new FormData(form));
  if (byCode) fields.code = fields.code.replace(/[\s-]/g, "");
  else fields.token = token;
  return fields;
};

const clear = () => {
  for (const input of form.querySelectorAll("input")) input.removeAttribute("aria-invalid");
  for (const fault of form.querySelectorAll(".fault")) fault.textContent = "";
};

const sentence = (text) => (/[.!?]$/.test(text) ? text : `${text}.`);

const wait = (seconds) => {
  if (seconds === 1) return "a second";
  return seconds < 120 ? `${seconds} seconds` : `${Math.ceil(seconds / 60)} minutes`;
};

// What is wrong, each fault at its field.
const refused = (problem, retryAfter) => {
  const elsewhere = [];
  for (const { pointer, detail } of problem.errors || []) {
    const input = form.elements.namedItem(pointer.slice(1));
    if (input) {
      input.setAttribute("aria-invalid", "true");
      part(`${input.name}-fault`).textContent = sentence(`${input.labels[0].textContent} ${detail}`);
    } else {
      elsewhere.push(sentence(`${pointer} ${detail}`));
    }
  }
  if (problem.code === "invalid_token") {
    const what = byCode ? "The address or the code is wrong, or the code" : "The link is wrong, or";
    say("This does not work.", `${what} has expired or was used already. Ask for another mail.`);
  } else if (retryAfter) {
    say(sentence(problem.title), `Try again in ${wait(retryAfter)}.`);
  } else if (problem.errors) {
    say(sentence(problem.title), ...elsewhere);
  } else {
    const id = problem.status >= 500 && `Request id: ${problem.request_id}`;
    say(sentence(problem.title), sentence(problem.detail), id);
  }
  (form.querySelector("[aria-invalid]") || outcome).focus();
};

const done = () => {
  form.reset();
  part("before").hidden = true;
  part("done").hidden = false;
  const heading = part("done").querySelector("h1");
  document.title = heading.textContent;
  heading.focus();
};

const send = async () => {
  let answer;
  try {
    answer = await fetch(form.dataset.operation, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(written()),
      cache: "no-store",
    });
  } catch {
    say("No answer came.", "Check your connection and try again. If you are then told that it was used already, it worked the first time.");
    outcome.focus();
    return;
  }
  if (answer.ok) {
    done();
    return;
  }
  const problem = await answer.json().catch(() => ({}));
  if (problem.title) {
    refused(problem, Number(answer.headers.get("retry-after")));
  } else {
    say("The server did not answer as it should.", `Try again in a moment. (Status ${answer.status})`);
    outcome.focus();
  }
};

// Nothing is sent until somebody says so: mail is read by machines that follow every link.
form.addEventListener("submit", async (event) => {
  event.preventDefault();
  if (act.getAttribute("aria-disabled") === "true") return;
  act.setAttribute("aria-disabled", "true");
  clear();
  say("One moment …");
  if (show) hidePassword(true);
  await send();
  act.removeAttribute("aria-disabled");
});
