// Keeps the page live: fetches its changing parts every two seconds while somebody can see them.
// What did not change is left alone, so that focus, selection and a half-typed note survive.

const EVERY_MS = 2000;
const GIVE_UP_MS = 5000;
const live = document.getElementById("live");
const pulse = document.getElementById("pulse");
let timer = 0;
let goneSince = null;

function sameThing(one, other) {
  return one.nodeType === other.nodeType && one.nodeName === other.nodeName && one.id === other.id;
}

function takeOver(old, fresh) {
  if (old.nodeType === Node.TEXT_NODE) {
    if (old.data !== fresh.data) old.data = fresh.data;
    return;
  }
  if (old.nodeType !== Node.ELEMENT_NODE) return;
  for (const { name } of [...old.attributes]) {
    if (!fresh.hasAttribute(name) && !(old.nodeName === "DETAILS" && name === "open")) old.removeAttribute(name);
  }
  for (const { name, value } of fresh.attributes) {
    if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
  takeOverChildren(old, fresh);
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

async function ask() {
  const wanted = new URLSearchParams(location.search).get("q");
  const address = pulse.dataset.from + (wanted ? `?q=${encodeURIComponent(wanted)}` : "");
  let answer;
  try {
    answer = await fetch(address, { signal: AbortSignal.timeout(GIVE_UP_MS), cache: "no-store" });
  } catch {
    return sayGone("server gone");
  }
  if (!answer.ok) return sayGone(answer.status === 503 ? "database gone" : `server answers ${answer.status}`);
  const part = document.createElement("main");
  part.innerHTML = await answer.text();
  takeOverChildren(live, part);
  const headline = live.querySelector(".headline");
  if (headline) document.title = `Slotbeat: ${headline.textContent}`;
  goneSince = null;
  say("live", false);
}

async function beat() {
  clearTimeout(timer);
  if (document.hidden) return;
  await ask().catch(() => sayGone("this page is in trouble"));
  clearTimeout(timer);
  timer = setTimeout(beat, EVERY_MS);
}

document.addEventListener("visibilitychange", beat);
say("live", false);
timer = setTimeout(beat, EVERY_MS);
