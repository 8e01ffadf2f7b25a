// Runs before the page is drawn: what needs JavaScript may be shown.
document.documentElement.classList.add("js");
