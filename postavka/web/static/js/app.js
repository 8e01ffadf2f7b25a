// Everything here makes a page nicer that works without it.
import "./theme.js";
import "./swap.js";
import "./ask.js";
import "./once.js";
import "./inn.js";
import "./fits.js";
import "./draft.js";
import "./live.js";
import "./small.js";
import "./badges.js";
import "./keys.js";
