// Shows the page anew when the project changed; what is open and where one reads stays.
const news = document.getElementById("news");
let shown = document.body.dataset.stamp, source = null;

async function refresh(stamp) {
  const answer = await fetch("/");
  if (!answer.ok) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const views = [...document.querySelectorAll(".views input:checked")].map((one) => one.id);
  const open = [...document.querySelectorAll("details")].map((one) => one.open);
  for (const name of ["header", "main"])
    document.querySelector(name).replaceWith(page.querySelector(name));
  document.querySelectorAll("details").forEach((one, index) => { one.open = open[index] ?? false; });
  for (const id of views) { const view = document.getElementById(id); if (view) view.checked = true; }
  document.title = page.title;
  shown = stamp;
  news.textContent = "The page was brought up to date.";
}

// A browser opens six streams to one host: a hidden page holds none.
function follow() {
  source?.close();
  source = null;
  if (document.hidden) return;
  source = new EventSource("/changes");
  source.onmessage = (event) => { if (event.data !== shown) refresh(event.data); };
  source.onopen = () => { news.textContent = ""; };
  source.onerror = () => { news.textContent = "scaffold dashboard --serve has ended: this page no longer changes."; };
}

document.addEventListener("visibilitychange", follow);
follow();
