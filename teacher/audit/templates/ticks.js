const inputs = [...document.querySelectorAll("input[type=radio]")];
const ticks = () => inputs.filter((input) => input.checked).map((input) => {
  const [answer, level] = input.name.split(" ");
  return { answer, level, verdict: input.value };
});
const told = () => {
  const sections = [...document.querySelectorAll("section.content")];
  const read = sections.filter((section) => [...section.querySelectorAll("fieldset")].every((set) => set.querySelector("input:checked")));
  document.getElementById("count").textContent = `${read.length} of ${sections.length} read`;
};
const remember = () => {
  try { localStorage.setItem(page, JSON.stringify(ticks())); } catch { /* a browser may keep nothing of a page that is a file */ }
  told();
};
try {
  const chosen = new Set((JSON.parse(localStorage.getItem(page)) || []).map((tick) => `${tick.answer} ${tick.level} ${tick.verdict}`));
  inputs.forEach((input) => { input.checked = chosen.has(`${input.name} ${input.value}`); });
} catch { /* nothing is kept */ }
document.addEventListener("change", remember);
document.getElementById("save").addEventListener("click", () => {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([JSON.stringify({ ticks: ticks() })], { type: "application/json" }));
  link.download = "ticks.json";
  link.click();
  URL.revokeObjectURL(link.href);
});
told();
