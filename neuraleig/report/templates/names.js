(() => {
  "use strict";
  const form = document.getElementById("names");
  const state = document.getElementById("names-state");
  const fields = [...form.querySelectorAll("input[data-cluster]")];
  const untouched = new Map(fields.map((field) => [field, field.value]));

  // An unchanged name keeps its line breaks, which a field does not show.
  const nameIn = (field) =>
    field.value === untouched.get(field) ? field.getAttribute("value") : field.value.trim();

  // An empty name removes an existing one.
  const names = () =>
    Object.fromEntries(
      fields
        .map((field) => [field.dataset.cluster, nameIn(field), field.getAttribute("value")])
        .filter(([, name, before]) => name !== "" || before !== "")
        .map(([cluster, name]) => [cluster, name]),
    );

  const shared = () => {
    const members = new Map();
    for (const field of fields) {
      const name = nameIn(field);
      if (name) members.set(name, [...(members.get(name) ?? []), field.dataset.cluster]);
    }
    return [...members].filter(([, clusters]) => clusters.length > 1);
  };

  const report = () => {
    const named = fields.filter((field) => nameIn(field) !== "").length;
    const unions = shared().map(([name, clusters]) => `${name}: ${clusters.join(", ")}`);
    const ending = unions.length ? ` Equal names: ${unions.join("; ")}.` : "";
    state.textContent = `${named} of ${fields.length} clusters named.${ending}`;
  };

  form.addEventListener("input", report);
  form.addEventListener("keydown", (event) => {
    const place = fields.indexOf(event.target);
    if (event.key !== "Enter" || event.isComposing || place < 0) return;
    event.preventDefault();
    (fields[place + 1] ?? form.querySelector("button")).focus();
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const content = JSON.stringify(names(), null, 1) + "\n";
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([content], { type: "application/json" }));
    link.download = "names.json";
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  });
  report();
})();
