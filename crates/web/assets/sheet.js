// Puts a chosen file into the sheet's field, so that it is sent like what is pasted. Nothing is sent before the form is.

const file = document.getElementById("file");
const sheet = document.getElementById("sheet");
const MOST = 128 * 1024;

file?.addEventListener("change", async () => {
  const chosen = file.files[0];
  if (!chosen) return;
  if (chosen.size > MOST) {
    file.setCustomValidity("A sheet has at most 128 kB.");
    file.reportValidity();
    return;
  }
  file.setCustomValidity("");
  const bytes = await chosen.arrayBuffer();
  try {
    sheet.value = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    // As older spreadsheets save it.
    sheet.value = new TextDecoder("windows-1252").decode(bytes);
  }
});
