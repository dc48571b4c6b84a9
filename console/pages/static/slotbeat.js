// Keeps a page live: fetches it again every two seconds while somebody can see it, and takes over what changed.
// What did not change is left alone, so that focus, selection and a half-typed note survive.

const GIVE_UP_MS = 5000;
const TYPING_MS = 350;
const live = document.getElementById("live");
const pulse = document.getElementById("pulse");
let timer = 0;
let goneSince = null;
let failed = 0;

// A form in which somebody typed stays as it was drawn, with all that it carries: what it sends belongs together.
const typed = new WeakSet();
document.addEventListener("input", ({ target }) => target.form && typed.add(target.form));

// A button that is pressed twice is meant once.
let pressed = new WeakMap();
addEventListener("pageshow", () => (pressed = new WeakMap()));
document.addEventListener("submit", (event) => {
  const { target, submitter, timeStamp } = event;
  if (target.method !== "post") return;
  const last = pressed.get(target);
  if (last && last.submitter === submitter && timeStamp - last.at < GIVE_UP_MS) event.preventDefault();
  else pressed.set(target, { submitter, at: timeStamp });
});

function sameThing(one, other) {
  return one.nodeType === other.nodeType && one.nodeName === other.nodeName && one.id === other.id;
}

function takeOver(old, fresh) {
  if (old.nodeType === Node.TEXT_NODE) {
    if (old.data !== fresh.data) old.data = fresh.data;
    return;
  }
  if (old.nodeType !== Node.ELEMENT_NODE || typed.has(old)) return;
  takeOverAttributes(old, fresh);
  takeOverChildren(old, fresh);
}

function takeOverAttributes(old, fresh) {
  // What a person opened, chose or typed is theirs.
  const theirs = { DETAILS: "open", OPTION: "selected" }[old.nodeName];
  for (const { name } of [...old.attributes]) {
    if (!fresh.hasAttribute(name) && name !== theirs) old.removeAttribute(name);
  }
  for (const { name, value } of fresh.attributes) {
    if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
}

function takeOverChildren(old, fresh) {
  const stay = new Set([...fresh.children].map((it) => it.id));
  const known = new Map();
  for (const it of [...old.children]) {
    // Gone ones first: then the others need not move, and what moves would lose the focus.
    if (it.id && !stay.has(it.id)) it.remove();
    else if (it.id) known.set(it.id, it);
  }
  let place = old.firstChild;
  for (const wanted of [...fresh.childNodes]) {
    const moved = wanted.id ? known.get(wanted.id) : undefined;
    if (moved && moved !== place && sameThing(moved, wanted)) old.insertBefore(moved, place);
    const here = moved && sameThing(moved, wanted) ? moved : place;
    if (here && sameThing(here, wanted)) {
      place = here.nextSibling;
      takeOver(here, wanted);
    } else {
      old.insertBefore(wanted, place);
    }
  }
  while (place) {
    const next = place.nextSibling;
    place.remove();
    place = next;
  }
}

function say(text, gone) {
  if (pulse.textContent !== text) pulse.textContent = text;
  pulse.className = gone ? "pulse gone" : "pulse on quiet";
  document.body.classList.toggle("stale", gone);
}

function sayGone(why) {
  goneSince ??= new Date();
  say(`${why} since ${goneSince.toLocaleTimeString()}; what stands here is from before`, true);
}

async function pageAt(address, more) {
  const headers = { Accept: "text/html" };
  const answer = await fetch(address, { signal: AbortSignal.timeout(GIVE_UP_MS), cache: "no-store", headers, ...more });
  return [answer, new DOMParser().parseFromString(await answer.text(), "text/html")];
}

async function ask() {
  let answer, fresh;
  try {
    [answer, fresh] = await pageAt(location.href);
  } catch {
    return sayGone("server gone");
  }
  // Signed out meanwhile: the server shows another page in place of this one.
  if (answer.redirected) return location.reload();
  if (!answer.ok) return sayGone(answer.status === 503 ? "database gone" : `server answers ${answer.status}`);
  const wanted = fresh.getElementById("live");
  const read = document.getElementById("events");
  const atEnd = !read || read.scrollHeight - read.scrollTop - read.clientHeight < 10;
  takeOver(live, wanted);
  if (atEnd) toEnd();
  document.title = fresh.title;
  goneSince = null;
  say("live", false);
}

async function beat() {
  clearTimeout(timer);
  if (document.hidden) return;
  await ask().catch(() => sayGone("this page is in trouble"));
  clearTimeout(timer);
  timer = setTimeout(beat, Number(live.dataset.every));
}

if (live.dataset.every) {
  document.addEventListener("visibilitychange", beat);
  say("live", false);
  timer = setTimeout(beat, Number(live.dataset.every));
}

// What a button did is said once, not again after a reload.
const address = new URL(location.href);
if (address.searchParams.has("said")) {
  address.searchParams.delete("said");
  address.searchParams.delete("of");
  history.replaceState(null, "", address);
}

// On a phone the pages' names are wider than the screen.
// Not by scrollIntoView: Chromium would begin to tab from there, past the link that skips to the content.
const here = document.querySelector(".top nav [aria-current]");
if (here) {
  const names = here.parentElement;
  names.scrollLeft += here.getBoundingClientRect().left - names.getBoundingClientRect().left - 40;
}

// A form with a preview: what the server makes of it, while it is typed.
const form = document.querySelector("form[data-preview]");
if (form) {
  let typing = 0;
  let asked = 0;
  const show = async () => {
    const mine = ++asked;
    try {
      const [answer, fresh] = await pageAt(form.dataset.preview, { method: "POST", body: new URLSearchParams(new FormData(form)) });
      const wanted = fresh.getElementById("preview");
      if (!wanted) return sayGone(answer.status === 401 ? "signed out" : `server answers ${answer.status}`);
      if (mine === asked) takeOver(document.getElementById("preview"), wanted);
    } catch {
      sayGone("server gone");
      failed = setTimeout(show, 2 * TYPING_MS);
      return;
    }
    clearTimeout(failed);
    if (goneSince) {
      goneSince = null;
      say("", false);
      pulse.className = "pulse quiet";
    }
  };
  form.addEventListener("input", () => {
    clearTimeout(typing);
    typing = setTimeout(show, TYPING_MS);
  });
}

// A log is read from its end, as long as nobody scrolled up.
function toEnd() {
  const log = document.getElementById("events");
  if (log) log.scrollTop = log.scrollHeight;
}
toEnd();
