SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#api",
  deepLinking: true,
  displayRequestDuration: true,
  tryItOutEnabled: true,
  // Tokens stay in this tab's memory.
  persistAuthorization: false,
  // Without it the page asks a validator on the Internet about the document.
  validatorUrl: null,
});
