"""The same job without Runbell: what a capable person writes in an afternoon."""
