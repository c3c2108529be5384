// Redoc on this box's own document; everything is fetched from the box.
"use strict";

Redoc.init(
  "openapi.json",
  {
    hideDownloadButtons: false,
    requiredPropsFirst: true,
    sortOperationsAlphabetically: false,
    theme: {
      typography: {
        fontFamily: "system-ui, sans-serif",
        headings: { fontFamily: "system-ui, sans-serif" },
        code: { fontFamily: "ui-monospace, monospace" },
      },
    },
  },
  document.getElementById("page"),
);
