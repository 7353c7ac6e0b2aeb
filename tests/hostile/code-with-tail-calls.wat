;; Calls itself in the place of its own frame, which no exhausted stack would end.
;;
;; request: load
;; status: 400
;; error: tail calls

(func $hostile (result i32)
  (return_call $hostile))
