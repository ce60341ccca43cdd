// What somebody did over time: a row for each of the most frequent communities, a mark for each act, coloured by broad label.

import { counted, day, el, frequencies, svg } from "./dom.js";

const ROWS = 10, COLOURS = 7, WIDTH = 960, ROW = 26, TOP = 8, LEFT = 150, RIGHT = 14, BOTTOM = 26;
const ELSEWHERE = "elsewhere";

/** A figure of acts (newest first). `moment` (ISO, or null) is marked, and `choose` called with a time that is clicked. */
export function timeline(acts, moment, choose) {
  const places = rowsOf(acts);
  const interests = frequencies(acts.map((act) => act.broad)).map(([name]) => name).slice(0, COLOURS);
  const times = acts.map((act) => Date.parse(act.created_at));
  const first = Math.min(...times), last = Math.max(...times), span = Math.max(1, last - first);
  const height = TOP + places.length * ROW + BOTTOM;
  const x = (time) => LEFT + ((time - first) / span) * (WIDTH - LEFT - RIGHT);
  const y = (place) => TOP + (places.indexOf(place) + 0.5) * ROW;
  const drawing = svg("svg", {
    viewBox: `0 0 ${WIDTH} ${height}`, class: "timeline", role: "img",
    "aria-label": `${counted(acts.length, "act")} from ${day(acts.at(-1).created_at)} to ${day(acts[0].created_at)} in ${places.join(", ")}`,
    click: (event) => {
      const at = drawing.createSVGPoint();
      at.x = event.clientX;
      at.y = event.clientY;
      const inside = at.matrixTransform(drawing.getScreenCTM().inverse());
      const share = Math.min(1, Math.max(0, (inside.x - LEFT) / (WIDTH - LEFT - RIGHT)));
      choose(new Date(first + share * span).toISOString());
    },
  });
  for (const place of places) {
    drawing.append(
      svg("line", { x1: LEFT, x2: WIDTH - RIGHT, y1: y(place), y2: y(place), class: "row" }),
      svg("text", { x: LEFT - 10, y: y(place) + 4, "text-anchor": "end" }, place.length > 20 ? `${place.slice(0, 19)}…` : place, svg("title", {}, place)),
    );
  }
  for (const [share, anchor] of [[0, "start"], [0.5, "middle"], [1, "end"]]) {
    const time = first + share * span;
    drawing.append(svg("text", { x: x(time), y: height - 6, "text-anchor": anchor, class: "time" }, day(new Date(time).toISOString())));
  }
  for (const act of [...acts].reverse()) {
    const place = places.includes(placeOf(act)) ? placeOf(act) : ELSEWHERE;
    drawing.append(svg("circle", { cx: x(Date.parse(act.created_at)), cy: y(place), r: 5, class: colour(act.broad, interests) }, svg("title", {}, told(act))));
  }
  if (moment) drawing.append(svg("line", { x1: x(Date.parse(moment)), x2: x(Date.parse(moment)), y1: TOP, y2: height - BOTTOM, class: "moment" }));
  const legend = el("ul", { class: "colours" }, interests.map((name) => el("li", { class: colour(name, interests) }, name)));
  return el("figure", { class: "drawn" }, drawing, legend);
}

/** In words what an act is about. */
export function told(act) {
  return [day(act.created_at), act.community ?? act.platform, act.specific ?? act.title ?? act.action].filter(Boolean).join(" · ");
}

function rowsOf(acts) {
  const counted = frequencies(acts.map(placeOf)).map(([name]) => name);
  return counted.length > ROWS ? [...counted.slice(0, ROWS - 1), ELSEWHERE] : counted;
}

function placeOf(act) {
  return act.community ?? act.platform;
}

function colour(broad, interests) {
  const place = interests.indexOf(broad);
  return place < 0 ? "colour-none" : `colour-${place}`;
}
