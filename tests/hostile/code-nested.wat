;; Has a function of 20,000 nested blocks.
;;
;; request: read harm
;; status: 500
;; error: it aborted

(func $hostile (result i32)
  @{20000 block }
  @{20000 end }
  unreachable)
