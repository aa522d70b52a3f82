// The server's token: asked for where it is needed, kept until the tab is closed, never in the address bar.

const KEPT_AS = "haunt.token";

export function token() {
  return sessionStorage.getItem(KEPT_AS);
}

/** Settles once the reader gave one. */
export function askForToken() {
  const dialog = document.getElementById("token");
  const field = document.getElementById("token-field");
  const wrong = document.getElementById("token-wrong");
  wrong.textContent = token() === null ? "" : "The server does not know this token.";
  field.value = "";
  if (!dialog.open) dialog.showModal();
  field.focus();
  return new Promise((settle) => {
    dialog.addEventListener("cancel", (event) => event.preventDefault());
    dialog.querySelector("form").addEventListener(
      "submit",
      () => {
        sessionStorage.setItem(KEPT_AS, field.value.trim());
        field.value = "";
        settle();
      },
      { once: true },
    );
  });
}
