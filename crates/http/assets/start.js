const dark = matchMedia("(prefers-color-scheme: dark)");
const dress = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
dark.addEventListener("change", dress);
dress();

const start = async () => {
  const answer = await fetch("/openapi.json");
  const spec = await answer.json();
  // The reference has the whole guide; here it would push the operations off the screen.
  spec.info.description = "Sign in with **Sign in** below, press **Authorize**, and paste the `access_token`. "
    + "The [reference](/docs) explains everything.";
  SwaggerUIBundle({
    spec,
    dom_id: "#api",
    deepLinking: true,
    displayRequestDuration: true,
    tryItOutEnabled: true,
    // Tokens stay in this tab's memory.
    persistAuthorization: false,
    // Without it the page asks a validator on the Internet about the document.
    validatorUrl: null,
  });
};
start();
