"use strict";
// Keeps the page live: the stream says that something changed, htmx fetches the page again and morphs it. Beats of the
// stream say how old what the console knows is; where they stop, or say that it is old, the page says so.
(() => {
  const live = () => document.getElementById("live");
  const light = document.getElementById("stream");
  const banner = document.getElementById("lost");
  const OLD_MS = 10500, AGAIN_MS = 15000;
  let offset = Number(document.body.dataset.now) - Date.now(), asOf = Number(document.body.dataset.asOf);
  let answers = true;
  const charts = new Map();
  let source, fetched = 0, waiting = false;

  const duration = (seconds) => {
    const whole = Math.max(0, Math.round(seconds));
    if (whole < 60) return `${whole} s`;
    const parts = [[Math.floor(whole / 86400), "d"], [Math.floor(whole / 3600) % 24, "h"], [Math.floor(whole / 60) % 60, "min"], [whole % 60, "s"]];
    const first = parts.findIndex(([count]) => count);
    return parts.slice(first, first + 2).filter(([count]) => count).map(([count, unit]) => `${count} ${unit}`).join(" ");
  };

  const tick = () => {
    for (const time of document.querySelectorAll("time[data-ago]")) {
      const text = `${duration((Date.now() + offset - Date.parse(time.dateTime)) / 1000)} ago`;
      if (time.textContent !== text) time.textContent = text;
    }
    watch();
  };

  const local = () => {
    for (const time of document.querySelectorAll("time[data-local]")) {
      const at = new Date(time.dateTime), today = at.toDateString() === new Date().toDateString();
      const day = today ? {} : { day: "numeric", month: "short" };
      time.textContent = at.toLocaleString([], { ...day, hour: "2-digit", minute: "2-digit", hour12: false });
    }
  };

  // Nothing that is shown is older than what the console knew then.
  const watch = () => {
    if (!live().dataset.stream) return;
    const age = Date.now() + offset - asOf, lost = age > OLD_MS;
    if (lost) say("lost", "Connection lost");
    document.body.toggleAttribute("data-lost", lost);
    banner.hidden = !lost;
    if (!lost) return;
    const [old, cause] = banner.querySelectorAll("span");
    old.textContent = `, data is ${duration(age / 1000)} old. `;
    const why = answers ? "The console does not answer." : banner.dataset.redis;
    if (cause.textContent !== why) cause.textContent = why;
  };

  const beat = (event) => {
    const said = JSON.parse(event.data);
    offset = said.now - Date.now();
    asOf = said.as_of;
    answers = said.redis;
    const missed = light.dataset.state === "lost";
    if (answers) say("live", "Live");
    watch();
    if (answers && missed) refresh();
  };

  const refresh = () => {
    const pace = Number(live().dataset.pace) || 1000;
    if (waiting) return;
    waiting = true;
    setTimeout(() => {
      waiting = false;
      fetched = Date.now();
      htmx.trigger(live(), "refresh");
    }, Math.max(0, fetched + pace - Date.now()));
  };

  const say = (state, text) => {
    if (light.dataset.state === state) return;
    light.hidden = false;
    light.dataset.state = state;
    light.textContent = text;
  };

  const listen = () => {
    const path = live().dataset.stream;
    if (!path || source) return;
    source = new EventSource(path);
    source.addEventListener("open", (event) => { if (event.data) beat(event); refresh(); });
    source.addEventListener("heartbeat", beat);
    source.addEventListener("error", () => {
      answers = true;
      say("lost", "Connection lost, trying again");
      if (source.readyState === EventSource.CLOSED) { source = undefined; setTimeout(listen, 2000); }
    });
    for (const name of ["rollouts", "verdicts", "decisions", "commands", "gap"]) source.addEventListener(name, refresh);
  };

  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  const clock = (at, digits) => new Date(at * 1000).toISOString().slice(11, 11 + digits);

  // As wording.percent writes it: two significant digits, above a half those of what is missing.
  const percent = (rate) => {
    const value = 100 * rate, most = 50 < value && value < 100, rest = most ? 100 - value : value;
    const digits = rest > 0 ? Math.min(12, Math.max(most ? 1 : 0, 1 - Math.floor(Math.log10(rest)))) : 0;
    return `${Number(value.toFixed(digits))} %`;
  };

  const axis = (extra) => ({ stroke: colour("--muted"), grid: { stroke: colour("--line"), width: 1 }, ticks: { show: false }, font: "11px Inter, sans-serif", ...extra });

  const options = (name, width, alpha) => {
    const evidence = name === "evidence";
    const lines = evidence
      ? [{ label: "evidence", stroke: colour("--canary"), width: 2 }, { label: "abort threshold", stroke: colour("--bad"), width: 1, dash: [4, 4] }]
      : [{ label: "canary", stroke: colour("--canary"), width: 2 }, { label: "stable", stroke: colour("--muted"), width: 1.5 }];
    // Nothing is pointed at: the legend shows the last snapshot.
    const told = (write) => (chart, shown, series, at) => write(at == null ? chart.data[series].at(-1) : shown);
    const value = told((shown) => shown == null ? "–" : evidence ? shown.toFixed(2) : percent(shown));
    return {
      width, height: 150, legend: { live: true }, cursor: { y: false, points: { size: 6 } }, padding: [8, 28, 0, 0],
      scales: { y: { range: (_, low, high) => evidence ? [Math.min(-2, low), Math.max(high, alpha ? -Math.log(alpha) : 0) + 0.5] : [0, high > 0 ? 1.15 * high : 1] } },
      axes: [axis({ size: 24, space: 70, values: (_, all, __, ___, step) => all.map((at) => clock(at, step < 60 ? 8 : 5)) }), axis({ size: 52, values: (_, all) => all.map((one) => evidence ? one : `${Number((100 * one).toPrecision(3))} %`) })],
      series: [{ label: "UTC", value: told((at) => clock(at, 8)) }, ...lines.map((line) => ({ points: { show: false }, spanGaps: false, value, ...line }))],
      tzDate: (at) => uPlot.tzDate(new Date(at * 1000), "Etc/UTC"),
    };
  };

  const draw = () => {
    const holder = document.getElementById("charts");
    if (!holder || !window.uPlot) return;
    const { columns, alpha } = JSON.parse(holder.dataset.course);
    for (const box of holder.querySelectorAll("[data-chart]")) {
      const name = box.dataset.chart;
      const found = columns[name === "evidence" ? name : `m:${name}`];
      if (!found) continue;
      const data = [columns.t, ...found];
      if (name === "evidence") data.push(columns.t.map(() => alpha ? -Math.log(alpha) : null));
      const known = charts.get(box.id);
      if (known && known.root.isConnected && known.width === box.clientWidth) known.setData(data);
      else {
        if (known) known.destroy();
        charts.set(box.id, new uPlot(options(name, box.clientWidth, alpha), data, box));
      }
    }
  };

  const redraw = () => { for (const chart of charts.values()) chart.destroy(); charts.clear(); draw(); };

  const copying = () => {
    for (const button of document.querySelectorAll("[data-copy]")) button.hidden = !navigator.clipboard;
  };

  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy]");
    if (!button) return;
    await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent);
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = "Copy"; }, 1500);
  });
  document.addEventListener("htmx:after:swap", () => { draw(); copying(); local(); tick(); });
  document.addEventListener("visibilitychange", () => { if (!document.hidden) refresh(); });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  addEventListener("resize", () => { clearTimeout(redraw.timer); redraw.timer = setTimeout(draw, 150); });
  setInterval(tick, 1000);
  setInterval(() => { if (live().dataset.stream) refresh(); }, AGAIN_MS);
  draw(); copying(); local(); tick(); listen();
})();
