// ---- The gallery, drawn by the channel's own code -------------------------------------------

// Every specimen is a section with a channel of its own. With `?still` its buttons look as if they
// could be pressed: to be photographed.
function drawGallery() {
  const { people, specimens } = JSON.parse(document.getElementById("specimens").textContent);
  const still = new URLSearchParams(location.search).has("still");
  shown = { channels: [], channel: null, messages: [], people, interactive: still };
  document.title = "Runbell's messages";
  document.getElementById("title").replaceChildren("Runbell's messages");
  document.getElementById("link").remove();
  document.querySelector("header p").replaceChildren("Every kind of message that Runbell sends, made by its own code");
  const main = document.querySelector("main");
  main.replaceChildren(...specimens.map(specimen));
  main.setAttribute("aria-busy", "false");
}

function specimen({ name, title, explains, messages }) {
  const list = el("ol", { class: "specimen", "aria-label": title });
  const parts = [];
  for (const message of messages) {
    const thread = parts[parts.length - 1];
    if (message.in_thread && thread && !thread.message.in_thread) thread.replies.push(message);
    else parts.push({ message, replies: [] });
  }
  bring(list, parts.map(({ message, replies }) => entry(message, { inThread: message.in_thread, replies })));
  parts.forEach(({ message }, i) => {
    if (message.in_thread) list.children[i].querySelector(".body").prepend(el("p", { class: "only-for" }, "In a thread"));
  });
  list.querySelectorAll("details.thread").forEach((thread) => { thread.open = true; });
  list.querySelectorAll(".content pre").forEach((code) => { code.style.maxHeight = "12rem"; });
  return el("section", { id: name, "aria-labelledby": `title-${name}` },
    el("h2", { id: `title-${name}` }, el("a", { href: `#${name}` }, title)), el("p", {}, words({ type: "mrkdwn", text: explains })), list);
}

drawGallery();
