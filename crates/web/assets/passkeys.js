// Asks the browser for a passkey and sends its answer with the form that the button stands in.

const OPTIONS = { use: "/api/v1/auth/passkey/options", make: "/api/v1/me/passkeys/options" };

for (const part of document.querySelectorAll("[data-passkey]")) {
  const button = part.querySelector("button");
  const said = part.querySelector("[role=status]");
  const form = part.closest("form");
  part.hidden = false;
  button.addEventListener("click", async () => {
    if (!form.reportValidity()) return;
    button.disabled = true;
    said.textContent = "";
    try {
      await fill(form, part.dataset.passkey, part.dataset.prefix ?? "");
      form.submit();
    } catch (problem) {
      said.replaceChildren(...words(problem));
      button.disabled = false;
    }
  });
}

class Elsewhere extends Error {}

async function fill(form, purpose, prefix) {
  if (!window.PublicKeyCredential?.parseRequestOptionsFromJSON) throw new Error("This browser can’t use passkeys here: take a newer one, or open the lab by https.");
  const answer = await fetch(OPTIONS[purpose], { method: "POST", headers: { accept: "application/json" } });
  const asked = await answer.json();
  if (!answer.ok) throw new Error(asked.detail);
  if (asked.origin !== location.origin) throw new Elsewhere(asked.origin);
  const publicKey = purpose === "make"
    ? PublicKeyCredential.parseCreationOptionsFromJSON(asked.options)
    : PublicKeyCredential.parseRequestOptionsFromJSON(asked.options);
  const credential = await navigator.credentials[purpose === "make" ? "create" : "get"]({ publicKey });
  form.elements[`${prefix}challenge`].value = asked.challenge;
  form.elements[`${prefix}credential`].value = JSON.stringify(credential.toJSON());
}

function words(problem) {
  if (problem instanceof Elsewhere) {
    const link = document.createElement("a");
    link.href = problem.message + location.pathname + location.search;
    link.textContent = problem.message;
    return ["Passkeys of this lab work at ", link, ": open it there."];
  }
  if (problem.name === "NotAllowedError") return ["No passkey was shown. Try again."];
  if (problem.name === "InvalidStateError") return ["This device has a passkey of yours already."];
  return [problem.message];
}
