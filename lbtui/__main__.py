"""`python -m lbtui`."""

from lbtui.start import main

raise SystemExit(main())
