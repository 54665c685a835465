// The pages work without this file. It saves the reload: it follows a log line
// by line, replaces what changed, counts the grace period down.
"use strict";

const maxLines = 5000; // a log longer than this loses its oldest lines on screen
const pollEvery = 10000;

// refresh fetches this page again and replaces the parts marked data-live.
let refreshing = null;
let again = false;
function refresh() {
  if (refreshing) {
    again = true;
    return refreshing;
  }
  refreshing = replaceParts().catch(() => {}).finally(() => {
    refreshing = null;
    if (again) {
      again = false;
      refresh();
    }
  });
  return refreshing;
}

async function replaceParts() {
  const answer = await fetch(location.href, { signal: AbortSignal.timeout(10000) });
  if (answer.status === 401) {
    location.reload();
    return;
  }
  if (!answer.ok) return;
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const old of document.querySelectorAll("[data-live]")) {
    const part = fresh.getElementById(old.id);
    if (part && part.innerHTML !== old.dataset.seen) replacePart(old, part);
  }
  if (document.title !== fresh.title) {
    document.title = fresh.title;
    document.getElementById("announce").textContent = fresh.title;
  }
  countdown();
}

// replacePart keeps the focus on the same link or button.
function replacePart(old, part) {
  old.dataset.seen = part.innerHTML;
  const focused = old.contains(document.activeElement) ? document.activeElement : null;
  const key = (el) => el.getAttribute("href") || el.closest("form")?.getAttribute("action") || el.textContent;
  old.replaceChildren(...document.importNode(part, true).childNodes);
  if (!focused) return;
  for (const el of old.querySelectorAll("a[href], button, summary")) {
    if (key(el) === key(focused)) {
      el.focus({ preventScroll: true });
      return;
    }
  }
}

// countdown writes what is left of each grace period.
function countdown() {
  for (const el of document.querySelectorAll("time[data-countdown]")) {
    const left = Math.round((Date.parse(el.dateTime) - Date.now()) / 1000);
    if (left > 0) el.textContent = "in " + (left >= 60 ? Math.floor(left / 60) + " min " : "") + (left % 60) + " s";
  }
}

// whileVisible opens an event stream while the tab is looked at: browsers allow
// few connections to one host, and hidden tabs would use them up.
function whileVisible(open) {
  let source = null;
  const look = () => {
    if (document.hidden) {
      source?.close();
      source = null;
    } else if (!source) {
      source = open();
    }
  };
  document.addEventListener("visibilitychange", look);
  look();
  return () => {
    document.removeEventListener("visibilitychange", look);
    source?.close();
  };
}

function followPage(url) {
  whileVisible(() => {
    const source = new EventSource(url);
    source.addEventListener("open", refresh); // what happened since the page was made, or while nobody listened
    source.addEventListener("changed", refresh);
    return source;
  });
  // Figures change by themselves: their part says how often to look.
  const every = Number(document.querySelector("[data-every]")?.dataset.every) || pollEvery;
  setInterval(() => document.hidden || refresh(), every);
}

function followLog(list) {
  const state = document.getElementById("follow-state");
  let last = Number(list.dataset.last) || 0;
  const say = (text) => {
    state.hidden = !text;
    state.textContent = text;
  };
  list.scrollTop = list.scrollHeight;
  const stop = whileVisible(() => {
    const source = new EventSource(list.dataset.stream + "?after=" + last);
    source.addEventListener("open", () => say("● live"));
    source.addEventListener("error", () => say(source.readyState === EventSource.CLOSED ? "not live: reload" : "connecting again …"));
    source.addEventListener("changed", refresh);
    source.addEventListener("line", (ev) => {
      const line = JSON.parse(ev.data);
      if (line.n <= last) return;
      last = line.n;
      append(list, line);
    });
    source.addEventListener("end", () => {
      stop();
      say("");
      refresh();
    });
    return source;
  });
}

function append(list, line) {
  const atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 40;
  document.getElementById("nolines")?.remove();
  const item = document.createElement("li");
  item.id = "L" + line.n;
  const number = document.createElement("a");
  number.href = "#L" + line.n;
  number.setAttribute("aria-label", "line " + line.n);
  number.textContent = line.n;
  const time = document.createElement("time");
  time.textContent = line.time;
  const text = document.createElement("span");
  text.textContent = line.text;
  item.append(number, time, text);
  list.append(item);
  if (list.childElementCount > maxLines) list.firstElementChild.remove();
  if (atEnd) list.scrollTop = list.scrollHeight;
}

for (const part of document.querySelectorAll("[data-live]")) part.dataset.seen = part.innerHTML;
if (document.body.dataset.liveEvents) followPage(document.body.dataset.liveEvents);
const log = document.querySelector("[data-stream]");
if (log) followLog(log);
countdown();
setInterval(countdown, 1000);

// A second click on a button that is at work does nothing.
document.addEventListener("submit", (ev) => {
  if (ev.target.dataset.sent) {
    ev.preventDefault();
    return;
  }
  ev.target.dataset.sent = "yes";
  ev.target.setAttribute("aria-busy", "true");
});
addEventListener("pageshow", (ev) => ev.persisted && location.reload());
