;; Traps in a function whose name has 100,000 characters, half of which are control characters.
;;
;; request: read harm
;; status: 500
;; error: it aborted

(func $harm (@name "@{50000 x\1b}") (result i32)
  unreachable)

(func $hostile (result i32)
  (call $harm))
