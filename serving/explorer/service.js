// Asking the service. Questions are bodies, so that no id and no text stands in an address.

const TOKEN = "kindred-token";
const listeners = [];

/** What went wrong: the service's own code and sentence. */
export class Problem extends Error {
  constructor(status, code, message) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

/** Answers of lists, best first. Each look at an answer's load is told to whoever listens. */
export async function hits(path, question) {
  return (await ask(path, question)).hits;
}

/** Answers of one thing. */
export async function result(path, question) {
  return (await ask(path, question)).result;
}

/** Calls back with the load that each answer came from. */
export function onIndex(listener) {
  listeners.push(listener);
}

export function useToken(token) {
  sessionStorage.setItem(TOKEN, token);
}

async function ask(path, question) {
  const headers = { "Content-Type": "application/json" };
  const token = sessionStorage.getItem(TOKEN);
  if (token) headers.Authorization = `Bearer ${token}`;
  let response, answer;
  try {
    response = await fetch(`v1/${path}`, { method: "POST", headers, body: JSON.stringify(question) });
    answer = await response.json();
  } catch {
    throw new Problem(0, "away", "the service does not answer");
  }
  if (!response.ok) throw new Problem(response.status, answer.code, sentence(answer));
  for (const listener of listeners) listener(answer.index);
  return answer;
}

function sentence(problem) {
  const wrong = (problem.wrong ?? []).map((part) => `${part.where}: ${part.what}`);
  return [problem.message, ...wrong].join("; ");
}
