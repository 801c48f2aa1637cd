"""Ways to hand verified files to an installer; none of them knows of the others."""
