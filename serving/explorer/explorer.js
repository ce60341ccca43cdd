// The page: which view stands behind an address, and what is typed and pressed. What is looked at stands behind '#', which no browser sends.

import { el } from "./dom.js";
import { Problem, onIndex, result, useToken } from "./service.js";
import { home, itemView, personLink, personView, problem, textView } from "./views.js";

const THEME = "kindred-theme";
const view = document.getElementById("view"), news = document.getElementById("news"), tokenForm = document.getElementById("token");
const personForm = document.getElementById("find-person"), audienceForm = document.getElementById("find-audience");
let asked = 0;

async function show() {
  const turn = ++asked, [kind, ...words] = location.hash.replace(/^#\/?/, "").split("/").map(decoded);
  const views = { person: () => personView(words[0], words[1], (id, moment) => turn === asked && history.replaceState(null, "", personLink(id, moment))), text: () => textView(words[0]), item: () => itemView(words[0], words[1]) };
  view.setAttribute("aria-busy", "true");
  news.textContent = "Looking";
  let found;
  try {
    found = await (views[kind] ?? home)();
  } catch (error) {
    found = el("section", {}, problem(error));
    if (error instanceof Problem && (error.status === 401 || error.status === 403)) tokenForm.hidden = false;
  }
  if (turn !== asked) return; // another was asked for since
  view.replaceChildren(found);
  view.setAttribute("aria-busy", "false");
  news.textContent = view.querySelector("h1")?.textContent ?? view.textContent;
  window.scrollTo(0, 0);
}

function decoded(word) {
  try {
    return decodeURIComponent(word);
  } catch {
    return word;
  }
}

function go(address) {
  if (location.hash === address) show();
  else location.hash = address;
}

/** 'platform:name' is an account, where no person has it as an id. */
async function findPerson(who) {
  const colon = who.indexOf(":");
  const question = colon > 0 ? { platform: who.slice(0, colon), name: who.slice(colon + 1) } : { user: who };
  const person = await result("people/find", question);
  go(personLink(person.person_id));
}

personForm.addEventListener("submit", async (event) => {
  event.preventDefault();
  const who = personForm.elements.who.value.trim();
  if (!who) return;
  try {
    await findPerson(who);
    personForm.elements.who.value = ""; // a name stays nowhere
  } catch (error) {
    asked += 1;
    view.replaceChildren(el("section", {}, problem(error)));
    if (error.status === 401 || error.status === 403) tokenForm.hidden = false;
  }
});

audienceForm.addEventListener("submit", (event) => {
  event.preventDefault();
  const text = audienceForm.elements.text.value.trim();
  if (text) go(`#/text/${encodeURIComponent(text)}`);
});

tokenForm.addEventListener("submit", (event) => {
  event.preventDefault();
  useToken(tokenForm.elements.token.value.trim());
  tokenForm.hidden = true;
  show();
});

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, textarea")) return;
  const field = { "/": personForm.elements.who, ".": audienceForm.elements.text }[event.key];
  if (field) {
    event.preventDefault();
    field.focus();
  }
});

document.getElementById("theme").addEventListener("click", () => {
  const dark = document.documentElement.dataset.theme ? document.documentElement.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  document.documentElement.dataset.theme = dark ? "light" : "dark";
  localStorage.setItem(THEME, document.documentElement.dataset.theme);
});
if (["light", "dark"].includes(localStorage.getItem(THEME))) document.documentElement.dataset.theme = localStorage.getItem(THEME);

onIndex((index) => {
  document.getElementById("index").textContent = `Encoder ${index.encoder_version}, loaded ${index.loaded_at.slice(0, 16).replace("T", " ")} UTC`;
});
window.addEventListener("hashchange", show);
show();
