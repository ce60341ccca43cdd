// What is shown of a person, a text and an item. Each view is an element, made of answers of the service.

import { counted, day, el } from "./dom.js";
import { hits, result } from "./service.js";
import { timeline } from "./timeline.js";

const PEOPLE = 10, ITEMS = 10, ACTS_AT_ONCE = 500, ACTS_LISTED = 25, REASONS = 3;

/** The first page. */
export function home() {
  return el("section", {},
    el("h1", {}, "Who is like this person, and what would they want next?"),
    el("p", {}, "Find a person by a person_id, a user_id, or an account as platform:name. Or write what people should care about, and see who does."),
    el("p", { class: "rule" }, el("kbd", {}, "/"), " goes to the first field, ", el("kbd", {}, "."), " to the second. What is found leads on: every person, item and topic is a link."),
  );
}

/** A person by an id: history, neighbours and recommendations, as they are or as of a moment (ISO). `moved` is called with the moment that is looked at, or null. */
export async function personView(user, asOf, moved) {
  const person = await result("people/find", { user });
  const [acts, similar] = await Promise.all([
    hits("people/history", { user: person.person_id, limit: ACTS_AT_ONCE }),
    hits("similar-users", { user: person.person_id, limit: PEOPLE }),
  ]);
  const history = el("div"), wanted = el("div");
  const show = async (moment) => {
    moved(person.person_id, moment);
    history.replaceChildren(historyOf(person, acts, moment, show));
    wanted.replaceChildren(el("p", { class: "rule" }, "…"));
    wanted.replaceChildren(await recommended(person, acts, moment).catch(problem));
  };
  await show(asOf && !Number.isNaN(Date.parse(asOf)) ? asOf : null);
  return el("div", {},
    el("section", {},
      el("h1", {}, el("code", {}, person.person_id.slice(0, 16))),
      el("p", { class: "rule" }, [counted(person.unit_count, "act"), person.platforms.join(", "), `newest ${day(person.last_at)}`, counted(person.user_ids.length, "account")].join(" · ")),
      el("p", {}, person.communities.join(", ") || "no communities"),
    ),
    el("section", { "aria-labelledby": "history" }, el("h2", { id: "history" }, "What they did"), history),
    el("section", { "aria-labelledby": "next" }, el("h2", { id: "next" }, "What they would want next"), wanted),
    el("section", { "aria-labelledby": "alike" }, el("h2", { id: "alike" }, "Who is like them"), peopleList(similar)),
  );
}

/** The people who care about a text, and the items nearest to it. */
export async function textView(text) {
  const [people, specific, broad] = await Promise.all([
    hits("audience", { text, limit: 2 * PEOPLE }), hits("items/search", { text, limit: ITEMS }), hits("items/search", { text, limit: ITEMS, level: "broad" }),
  ]);
  return el("div", {},
    el("section", {}, el("h1", {}, text), el("p", { class: "rule" }, "Read as something specific that people act on.")),
    el("section", {}, el("h2", {}, "Who cares about it"), peopleList(people)),
    el("section", {}, el("h2", {}, "Items that say it"), el("div", { class: "columns" }, column("Specific", itemList(specific)), column("Broad", itemList(broad)))),
  );
}

/** The people nearest to an item. Its words are not looked up: whoever links to it gives them. */
export async function itemView(itemId, words) {
  const people = await hits("audience", { item_id: itemId, limit: 2 * PEOPLE });
  return el("div", {},
    el("section", {}, el("h1", {}, words || "An item"), el("p", { class: "rule" }, el("code", {}, itemId))),
    el("section", {}, el("h2", {}, "Who cares about it"), peopleList(people)),
  );
}

/** What went wrong, to be read in the place of what was wanted. */
export function problem(error) {
  return el("p", { class: "problem", role: "alert" }, error.message);
}

export const personLink = (id, moment = null) => `#/person/${encodeURIComponent(id)}${moment ? `/${encodeURIComponent(moment)}` : ""}`;
export const itemLink = (id, words) => `#/item/${encodeURIComponent(id)}/${encodeURIComponent(words)}`;

function historyOf(person, acts, moment, show) {
  if (!acts.length) return el("p", { class: "absent" }, "The lake has no sequences of this person any more.");
  const times = [...new Set(acts.map((act) => act.created_at))].reverse();
  const at = moment === null ? times.length : times.filter((time) => Date.parse(time) <= Date.parse(moment)).length;
  const slider = el("input", {
    type: "range", min: 1, max: times.length, value: at, "aria-label": "Look at the person as of this act", "aria-valuetext": moment ? day(moment) : "now",
    change: (event) => show(Number(event.target.value) === times.length ? null : times[Number(event.target.value) - 1]),
  });
  const list = el("ol", { class: "acts" });
  let listed = 0;
  const more = el("button", { type: "button", click: () => listMore() }, "Older");
  const listMore = () => {
    for (const act of acts.slice(listed, listed + ACTS_LISTED)) {
      list.append(el("li", { class: moment && Date.parse(act.created_at) > Date.parse(moment) ? "later" : null },
        el("span", { class: "rule" }, `${day(act.created_at)} ${act.community ?? act.platform} ${act.action}`), " ",
        act.specific ? [act.specific, " ", el("small", {}, act.broad)] : (act.title ?? el("span", { class: "absent" }, "no label")),
      ));
    }
    listed += ACTS_LISTED;
    more.hidden = listed >= acts.length;
  };
  listMore();
  return el("div", {},
    acts.length < person.unit_count ? el("p", { class: "rule" }, `The newest ${acts.length} of ${counted(person.unit_count, "act")}.`) : null,
    timeline(acts, moment, show),
    times.length > 1 ? el("label", { class: "moment" }, el("span", {}, moment ? `As of ${day(moment)}: what came later is shown beside what would have been recommended then.` : "As of now. Move to look from an earlier act."), slider) : null,
    el("details", {}, el("summary", {}, "Act by act"), list, more),
  );
}

async function recommended(person, acts, moment) {
  const ask = { user: person.person_id, limit: ITEMS, only_new: true, ...(moment ? { as_of: moment } : {}) };
  const [specific, broad] = await Promise.all([hits("recommendations", { ...ask, level: "specific" }), hits("recommendations", { ...ask, level: "broad" })]);
  const columns = [column("Specific", itemList(specific, person)), column("Broad", itemList(broad, person))];
  if (moment) {
    const after = acts.filter((act) => act.specific && Date.parse(act.created_at) > Date.parse(moment)).reverse();
    const items = after.slice(0, 2 * ITEMS).map((act) => el("li", {}, act.specific, " ", el("small", {}, day(act.created_at))));
    columns.push(column("Did then", after.length ? el("ol", { class: "items" }, items) : el("p", { class: "absent" }, "Nothing that has a label.")));
  }
  return el("div", {},
    el("p", { class: "rule" }, moment ? "New to the person by then. The encoder may have learnt from what came after." : "New to the person, ranked by how likely they are next."),
    el("div", { class: "columns" }, columns),
  );
}

function column(heading, content) {
  return el("div", {}, el("h3", {}, heading), content);
}

function itemList(items, person = null) {
  if (!items.length) return el("p", { class: "absent" }, "Nothing found.");
  return el("ol", { class: "items" }, items.map((item) => el("li", { class: item.later ? "later" : null },
    el("a", { href: itemLink(item.item_id, item.text) }, item.text), " ",
    el("small", {}, [item.score.toFixed(2), item.label_count ? counted(item.label_count, "label") : null, item.later ? "done later" : null].filter(Boolean).join(" · ")),
    person ? whyOf(person, item) : null,
  )));
}

/** Why an item is near to a person: their own labels that are nearest to it, looked up when it is opened. */
function whyOf(person, item) {
  const place = el("div");
  const opened = el("details", { class: "why", toggle: async () => {
    if (!opened.open || place.hasChildNodes()) return;
    place.append(el("p", { class: "rule" }, "…"));
    place.replaceChildren(await reasons(person, item).catch(problem));
  } }, el("summary", {}, "why"), place);
  return opened;
}

async function reasons(person, item) {
  const found = await hits("why", { user: person.person_id, item_id: item.item_id, limit: REASONS });
  if (!found.length) return el("p", { class: "absent" }, "No act of this person has a label.");
  return el("ul", {}, found.map((reason) => el("li", {}, reason.specific, " ",
    el("small", {}, `${reason.broad} · ${reason.score.toFixed(2)} · ${counted(reason.unit_count, "act")}, newest ${day(reason.units[0].created_at)}`))));
}

function peopleList(people) {
  if (!people.length) return el("p", { class: "absent" }, "Nobody found.");
  return el("ol", { class: "people" }, people.map((person) => el("li", {},
    el("a", { href: personLink(person.person_id) }, el("code", {}, person.person_id.slice(0, 16))), " ",
    el("small", {}, `${person.score.toFixed(2)} · ${counted(person.unit_count, "act")}, newest ${day(person.last_at)}`),
    el("div", { class: "rule" }, person.communities.slice(0, 6).join(", ")),
    person.shared?.length ? el("div", { class: "shared" }, "both near ", person.shared.map((topic) => el("a", { href: itemLink(topic.item_id, topic.text) }, topic.text))) : null,
  )));
}

