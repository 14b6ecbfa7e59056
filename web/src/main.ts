import { mount } from "svelte";
import App from "./App.svelte";
import "./styles/tokens.css";
import "./styles/base.css";
import "./styles/forms.css";
import "./styles/past.css";
import "./styles/rows.css";

const root = document.getElementById("app");
if (!root) throw new Error("index.html has no #app");
mount(App, { target: root });
