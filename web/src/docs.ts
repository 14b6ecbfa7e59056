/** The API reference page, rendered from /api/openapi.json. */
import SwaggerUI from "swagger-ui-dist/swagger-ui-es-bundle.js";
import "swagger-ui-dist/swagger-ui.css";
import "./styles/docs.css";
import { base } from "./lib/base";

SwaggerUI({
  url: `${base}/api/openapi.json`,
  dom_id: "#docs",
  deepLinking: true,
  docExpansion: "list",
  defaultModelsExpandDepth: 0,
  // The tests validate the document; nothing is sent to an external validator.
  validatorUrl: null,
});
