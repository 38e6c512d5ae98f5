"""`--what-if NAME`: what another way of serving would bring, as text, Markdown and JSON."""
